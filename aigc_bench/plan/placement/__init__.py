"""Where the machines of an option stand, and what that place allows."""
