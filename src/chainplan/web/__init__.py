"""A page on this machine where one edits a spec and sees its plan; needs the extra `chainplan[web]`."""
