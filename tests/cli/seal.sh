# A sealed life: train with a key, and use what came of it with the key, with another, without.
"$MAKE_STICKS" . || exit
run dataset_convert -d dataset.json -o train -m train --generate_masks --quiet
run dataset_convert -d dataset.json -o val -m test --generate_masks --quiet

name='--set final_model_name=model.tlt'
run train -e train.yaml $name -k nvidia_tlt --quiet > log
grep exit log
for file in results/*.bpnet results/*.tlt; do
    echo "$file $(head -c 6 "$file")"
done
echo "# what was done is found again with the key, and not begun anew without"
run train -e train.yaml $name --quiet
run train -e train.yaml $name --quiet -k nvidia
run train -e train.yaml $name --quiet -k nvidia_tlt | grep -o '^steps *3 to 3'

cp results/model.tlt .
run evaluate -m model.tlt -i infer.yaml -d dataset.json --quiet
run evaluate -m model.tlt -i infer.yaml -d dataset.json --quiet -k nvidia
run evaluate -m model.tlt -i infer.yaml -d dataset.json --quiet -k nvidia_tlt | grep ^pictures
run inference images/val_0000.jpg -m model.tlt -i infer.yaml --no_drawings --json -k=nvidia_tlt | grep width

umask 077
printf 'nvidia_tlt\n' > key
inspect() { run inspect model.tlt --summary --cpu ref --quiet "$@" 2>&1 | grep -v ^weights | sed -E -e 's,[0-9.]+ k?B,… B,g' | sed -n '1,2p;/exit/p'; }
inspect
inspect --key-file key
inspect --key-fd 3 3< key
echo "# in the environment, where it yields to the command line"
BPNET_KEY=nvidia_tlt
export BPNET_KEY
inspect
inspect -k nvidia
inspect -k nvidia --key-file key
inspect -k ''
BPNET_KEY=
inspect
inspect --key-file nowhere
inspect --key-fd three
inspect --key-fd 9
inspect --key-file /dev/null
chmod 644 key
inspect --key-file key

echo "# plain files open with a key, too; damage and cuts are told apart"
run inspect fixture/../../models/bpnet-light.bpnet --summary -k nvidia_tlt | grep ^about
head -c 100000 model.tlt > cut.tlt
run inspect cut.tlt -k nvidia_tlt | sed 's|[0-9]* bytes of content|… bytes of content|'
{ head -c 100000 model.tlt; printf 'another'; tail -c +100008 model.tlt; } > damaged.tlt
run inspect damaged.tlt -k nvidia_tlt
{ head -c 40 model.tlt; printf '1234567'; tail -c +48 model.tlt; } > damaged.tlt
run inspect damaged.tlt -k nvidia_tlt
