"""The located package reads YAML and JSON and keeps the place of every value, so that errors name line and column.

The grammars of `io` take `NodeReader`, `SpecMessages` and the nodes from here.
"""
