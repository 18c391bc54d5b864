select {{ fence }}.assert_current(%(stream)s, %(epoch)s)
