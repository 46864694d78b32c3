# a submission that is a socket
# seconds: 30
# judged

socket.socket(socket.AF_UNIX).bind('submission.csv')
