"""The calls, by the thing they are about: one method a call, each describes, sends, decodes."""
