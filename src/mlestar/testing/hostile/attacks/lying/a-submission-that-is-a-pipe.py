# a submission that is a pipe
# seconds: 30
# judged

os.mkfifo('submission.csv')
