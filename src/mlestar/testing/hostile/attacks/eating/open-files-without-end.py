# open files without end
# ends: exception

kept = []
while len(kept) < 100_000:
    kept.append(open('/dev/null'))
print('GOT them')
