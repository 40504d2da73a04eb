# docs/man is what the program says of itself; tools/write-man writes it anew.
man=fixture/../../docs/man
check() {
    page=$1
    shift
    "$BPNET" help --man "$@" > page && cmp page "$man/$page" && echo "$page"
}
check bpnet.1
for verb in $("$BPNET" help | sed -n 's/^  \([a-z_]*\)  .*/\1/p'); do
    check "bpnet-$verb.1" "$verb"
done
ls "$man" | wc -l
