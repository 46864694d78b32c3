# no submission
# seconds: 30
# judged


