"""Files and their names: text read line by line, files written whole or not at all, names from outside checked."""
