# a submission as large as may be
# seconds: 30
# judged

open('submission.csv', 'wb').truncate(19_000_000)
