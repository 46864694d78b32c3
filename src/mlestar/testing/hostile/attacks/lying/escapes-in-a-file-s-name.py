# escapes in a file's name

open('\x1b[31m\x07\n.csv', 'w')
