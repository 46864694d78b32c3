# escapes in an error

raise ValueError('\x1b[2J\x1b]52;c;aGk=\x07 \x9b31m \u202e')
