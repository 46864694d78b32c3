# ids with escapes and tags
# seconds: 30
# judged

open('submission.csv', 'w').write('id,y\n\x1b[2J<script>,no\n')
