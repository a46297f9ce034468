"""What the subcommands of ``mobilevit-bench`` measure, one experiment a module."""
