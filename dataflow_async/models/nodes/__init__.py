"""The 18 types of job nodes: typed objects that read and write the wire's form."""
