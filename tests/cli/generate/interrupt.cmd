# A signal (SIGTERM here: shells keep SIGINT from what runs behind them) ends after the step; what was finished stays, and nothing half made is there.
m="-q -m $src/tests/conformance/models/tiny_sd15 -p fox -s 1 --steps 1000 -W 512 -H 512 -o out"
lycoris generate $m &
sleep 1
kill -TERM $!
wait $!
echo $?
ls out
