# a pickle
# seconds: 30
# judged

rows = list(csv.reader(open('input/sample_submission.csv')))
pickle.dump(rows, open('submission.csv', 'wb'))
