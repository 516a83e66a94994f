"""What scalar programs are made of: one source a file, all in the table of `codegen.sources.registry`."""
