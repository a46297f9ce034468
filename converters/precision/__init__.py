"""What each precision needs of a module before its conversion."""
