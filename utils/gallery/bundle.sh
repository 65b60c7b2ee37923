#!/bin/sh
# Make viewer.min.js and LICENSE.three.txt again, from viewer.js and three.js (needs Node.js and the npm registry).
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json viewer.js "$work"
(cd "$work" && npm install --silent --no-audit --no-fund &&
    npx esbuild viewer.js --bundle --minify --format=iife --global-name=viewer --legal-comments=none --outfile=viewer.min.js)
cp "$work/viewer.min.js" viewer.min.js
cp "$work/node_modules/three/LICENSE" LICENSE.three.txt
