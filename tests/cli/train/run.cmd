# The short way, its equal in full, and the same file from a run that was interrupted.
m=$src/tests/conformance/models/tiny_sd15
mkdir turtle
for i in 1 2 3; do
    lycoris generate -q -m "$m" -p "a turtle" -s $i --steps 1 -W 64 -H 64 -o turtle/$i.png >/dev/null
    echo "a turtle, number $i" >turtle/$i.txt
done
export SOURCE_DATE_EPOCH=1700000000
lycoris train -q -m "$m" -i turtle --algo lokr --max_train_steps 6 --seed 5 -o out
lycoris train -q -m "$m" -i turtle --algo lokr --max_train_steps 6 --seed 5 -o out
echo $?
lycoris train -m "$m" -i turtle --algo lokr --max_train_steps 6 --seed 5 -o again | sed -n 's/^in full *//p' >command
sed 's/ --output_dir again/ --output_dir full/' command >script
sh ./script >/dev/null && cmp out/turtle-lokr.safetensors full/turtle-lokr.safetensors && echo same
lycoris train -q --resolution 64 -m "$m" -i turtle --algo lokr --max_train_steps 100000 --seed 5 -o stopped >said &
sleep 2
kill -TERM $!
wait $!
echo $?
sed -n '2p' said
grep -c -- '--resume stopped/turtle-lokr-state' said
lycoris inspect out/turtle-lokr.safetensors | sed -n '1p;6,9p'
ls out
