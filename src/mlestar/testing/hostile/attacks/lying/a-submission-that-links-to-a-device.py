# a submission that links to a device
# seconds: 30
# judged

os.symlink('/dev/zero', 'submission.csv')
