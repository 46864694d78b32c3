# the disk itself
# attempts

disks = glob.glob('/dev/[svn][dbv][a-z]*')
assert disks
open(disks[0], 'rb').read(1)
