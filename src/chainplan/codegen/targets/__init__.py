"""What scalar programs are written as: one language a file, all in the table of `codegen.targets.registry`."""
