# threads without end

count = 0
while count < 20_000:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    count += 1
print('GOT', count)
