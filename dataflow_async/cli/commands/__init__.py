"""The commands and their options, a module for each group. They load what they need when they run."""
