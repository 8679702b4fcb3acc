"""Files of an existing directory, one by one."""
