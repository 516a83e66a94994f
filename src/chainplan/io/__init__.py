"""Anything that becomes a Problem; one front-end per file, one table."""

from chainplan.io.read import FRONTENDS, Frontend, chain, from_spec, read

__all__ = ["FRONTENDS", "Frontend", "chain", "from_spec", "read"]
