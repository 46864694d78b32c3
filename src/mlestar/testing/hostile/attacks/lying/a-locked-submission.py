# a locked submission
# seconds: 30
# judged

open('submission.csv', 'w').write('x')
os.chmod('submission.csv', 0)
