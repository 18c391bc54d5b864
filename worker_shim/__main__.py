from worker_shim.cli import main

main()
