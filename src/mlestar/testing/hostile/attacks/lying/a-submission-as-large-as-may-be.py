# a submission as large as may be
# seconds: 30
# judged

open('submission.csv', 'wb').truncate(39_000_000)
