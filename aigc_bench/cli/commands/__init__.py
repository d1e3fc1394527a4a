"""Define the commands, one file each: the file name is the command's name, and each offers ``command``."""
