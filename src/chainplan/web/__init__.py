"""The web package serves a page on this machine on which a user edits a spec and sees its plan (extra `web`).

No other package imports it but the command line, which starts `web.server`.
"""
