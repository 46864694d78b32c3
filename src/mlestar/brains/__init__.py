"""Who plays the roles: rules over the library (playbook), those who are asked in words (spoken), a record."""
