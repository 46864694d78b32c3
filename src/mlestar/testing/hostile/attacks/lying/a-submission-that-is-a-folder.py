# a submission that is a folder
# seconds: 30
# judged

os.mkdir('submission.csv')
