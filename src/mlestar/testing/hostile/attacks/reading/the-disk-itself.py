# the disk itself
# attempts

[open(d, 'rb').read(1) for d in __import__('glob').glob('/dev/[svn][dbv][a-z]*')][0]
