#!/bin/sh
# GNU tools and mawk, two processes wherever the tools allow it.
# usage: gnu.sh WORKLOAD OUT FILE...
set -eu
export LC_ALL=C
workload=$1 out=$2
shift 2

# Run an awk program over each half of every file, and join the two results with another.
# usage: both PROGRAM JOIN SEPARATOR FILE...
both() {
    program=$1 join=$2 separator=$3
    shift 3
    half() {
        number=$1
        shift
        for file; do split --number="l/$number/2" "$file"; done | mawk -F "$separator" "$program"
    }
    half 2 "$@" >"$out.half" &
    half 1 "$@" >"$out.whole"
    wait $!
    mawk -F "$separator" "$join" "$out.whole" "$out.half" >"$out"
    rm "$out.whole" "$out.half"
}

# shellcheck disable=SC2016 # dollars are awk's
case $workload in
w1)
    # The separators are those of Python's bytes.split(); a word holds no tab.
    both '{ n = split($0, word, /[ \t\r\v\f]+/); for (i = 1; i <= n; i++) if (word[i] != "") count[word[i]]++ }
          END { for (w in count) print w "\t" count[w] }' \
        '{ count[$1] += $2 } END { for (w in count) print w "\t" count[w] }' '\t' "$@"
    ;;
w2)
    both '$11 <= "1998-09-02" {
              k = $9 "|" $10; reduced = $6 * (1 - $7)
              q[k] += $5; p[k] += $6; r[k] += reduced; c[k] += reduced * (1 + $8); d[k] += $7; n[k]++ }
          END { for (k in n) printf "%s|%.17g|%.17g|%.17g|%.17g|%.17g|%d\n", k, q[k], p[k], r[k], c[k], d[k], n[k] }' \
        '{ k = $1 "|" $2; q[k] += $3; p[k] += $4; r[k] += $5; c[k] += $6; d[k] += $7; n[k] += $8 }
         END { for (k in n) printf "%s|%.2f|%.2f|%.4f|%.6f|%.6f|%.6f|%.6f|%d\n",
                   k, q[k], p[k], r[k], c[k], q[k] / n[k], p[k] / n[k], d[k] / n[k], n[k] }' '|' "$@"
    ;;
w3)
    both '$11 >= "1994-01-01" && $11 < "1995-01-01" && $7 >= 0.05 && $7 <= 0.07 && $5 < 24 { sum += $6 * $7 }
          END { printf "%.17g\n", sum }' \
        '{ sum += $1 } END { printf "%.4f\n", sum }' '|' "$@"
    ;;
w4)
    both '{ sum[substr($1, 1, 8)] += $4 } END { for (k in sum) printf "%s,%.17g\n", k, sum[k] }' \
        '{ sum[$1] += $2 } END { for (k in sum) printf "%s,%.8f\n", k, sum[k] }' ',' "$@"
    ;;
w5)
    rankings=$1
    shift
    both 'BEGIN { while ((getline line < "'"$rankings"'") > 0) { split(line, f, ","); rank[f[1]] = f[2] } }
          $3 >= "1980-01-01" && $3 < "1980-02-01" && $2 in rank { r[$1] += rank[$2]; n[$1]++; sum[$1] += $4 }
          END { for (k in n) printf "%s,%d,%d,%.17g\n", k, r[k], n[k], sum[k] }' \
        '{ r[$1] += $2; n[$1] += $3; sum[$1] += $4 }
         END { best = ""; for (k in n) if (best == "" || sum[k] > sum[best]) best = k
               printf "%s,%.8f,%.8f\n", best, r[best] / n[best], sum[best] }' ',' "$@"
    ;;
w6)
    sort --parallel=2 --temporary-directory="${out%/*}" --output="$out" "$@"
    ;;
*)
    echo "gnu.sh: no program for $workload" >&2
    exit 2
    ;;
esac
