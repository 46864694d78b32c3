# escapes in the output

print('\x1b[2J\x1b]0;title\x07\x1b[31mred\x00\x08\u202e')
