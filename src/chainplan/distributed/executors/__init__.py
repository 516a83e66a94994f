"""Where tasks run: one file for each kind of executor, all behind one small protocol."""
