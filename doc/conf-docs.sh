#!/bin/sh
# Makes conf/pontoon.conf and the list of parameters in doc/pontoon.conf.5 again from the program's own table.
# usage: doc/conf-docs.sh PONTOON TOP [OUTPUT-DIRECTORY]; with a third argument the tree is left alone (t/scenario/docs.t compares).
set -eu
pontoon=$1 top=$2 out=${3-}
conf=${out:+$out/pontoon.conf} page=${out:+$out/pontoon.conf.5}
conf=${conf:-$top/conf/pontoon.conf} page=${page:-$top/doc/pontoon.conf.5}

"$pontoon" config --sample >"$conf.new"
"$pontoon" config --mdoc >"$page.list"
awk -v list="$page.list" '
    /^\.\\" END /   { skip = 0 }
    !skip           { print }
    /^\.\\" BEGIN / { skip = 1; while ((getline line < list) > 0) print line }
' "$top/doc/pontoon.conf.5" >"$page.new"
rm "$page.list"
mv "$conf.new" "$conf"
mv "$page.new" "$page"
