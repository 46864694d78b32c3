# device files
# attempts

os.mknod('disk', 0o60666, os.makedev(254, 0))
open('disk', 'rb').read(1)

os.mknod('memory', 0o20666, os.makedev(1, 1))
open('memory', 'rb').read(1)
