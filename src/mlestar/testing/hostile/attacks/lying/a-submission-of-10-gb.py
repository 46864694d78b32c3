# a submission of 10 GB
# seconds: 30
# judged

open('submission.csv', 'wb').truncate(10_000_000_000)
