"""The subcommands of ``mobilevit-bench``, one per module.

Each has a function ``register(subparsers)`` that adds its parser, with the function to call in the
parser's default ``command``. Heavy imports stay inside that function.
"""
