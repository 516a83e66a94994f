"""The io package reads files and Python objects into problems, programs and saved plans, and writes plan files.

Each front-end has a file, and all stand in one table. Other packages take the public functions from `io.read`, and the
plan file from `io.plan_file`.
"""
