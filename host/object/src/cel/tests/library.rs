//! Each function once at least, by the examples of Kubernetes' documentation.

use super::{all_fail, all_true, evaluate};

#[test]
fn every_signature_can_be_read() {
    // Building the table parses them all.
    assert!(crate::cel::library::is_known("charAt"));
    assert!(!crate::cel::library::is_known("nothing"));
}

#[test]
fn conversions() {
    all_true(&[
        "int('7') == 7 && int(7.9) == 7 && int(7u) == 7",
        "uint('7') == 7u && double('1.5') == 1.5 && bool('true')",
        "string(1) == '1' && string(1.0) == '1' && string(true) == 'true' && string(b'a') == 'a'",
        "string(1e30) == '1e+30' && string(0.00001) == '1e-05'",
        "bytes('a') == b'a' && size('é') == 1 && size(b'\\xc3\\xa9') == 2",
        "string(duration('1h30m')) == '5400s' && string(duration('1500ms')) == '1.5s'",
        "string(timestamp('2024-01-01T00:00:00Z')) == '2024-01-01T00:00:00Z'",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "type(1) == int && type('a') == string && type(self) == map && type(type(1)) == type",
        "type(duration('1s')) == google.protobuf.Duration",
        "size([1]) == 1 && size({'a': 1}) == 1 && 'abc'.size() == 3",
    ]);
    all_fail(&[
        ("int('x') == 1", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("int(1e30) == 1", "integer overflow"),
        ("uint(-1) == 1u", "unsigned integer overflow"),
        ("string(b'\\xff') == 'a'", "invalid UTF-8"),
    ]);
}

#[test]
fn times() {
    all_true(&[
        "timestamp('2024-02-29T12:34:56.789Z').getFullYear() == 2024",
        "timestamp('2024-02-29T12:34:56.789Z').getMonth() == 1",
        "timestamp('2024-02-29T12:34:56.789Z').getDayOfMonth() == 28",
        "timestamp('2024-02-29T12:34:56.789Z').getDate() == 29",
        "timestamp('2024-02-29T12:34:56.789Z').getDayOfWeek() == 4",
        "timestamp('2024-02-29T12:34:56.789Z').getDayOfYear() == 59",
        "timestamp('2024-02-29T12:34:56.789Z').getHours() == 12",
        "timestamp('2024-02-29T12:34:56.789Z').getHours('+01:30') == 14",
        "timestamp('2024-02-29T12:34:56.789Z').getMinutes() == 34",
        "timestamp('2024-02-29T12:34:56.789Z').getSeconds() == 56",
        "timestamp('2024-02-29T12:34:56.789Z').getMilliseconds() == 789",
        "duration('1s4ms').getMilliseconds() == 1004",
        "duration('1h30m').getHours() == 1 && duration('1h30m').getMinutes() == 90",
        "duration('-1.5h') == duration('-90m') && duration('0') == duration('0s')",
    ]);
    all_fail(&[
        ("duration(text) == duration('1s')", "time: invalid duration \"hello\""),
        ("timestamp(text) == timestamp('2024-01-01T00:00:00Z')", "parsing time \"hello\""),
        ("timestamp('2024-01-01T00:00:00Z').getHours('Nowhere/Land') == 1", "unknown time zone"),
    ]);
}

#[test]
fn strings() {
    all_true(&[
        "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')",
        "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == ''",
        "'hello mellow'.indexOf('') == 0 && 'hello mellow'.indexOf('ello') == 1",
        "'hello mellow'.indexOf('jello') == -1 && 'hello mellow'.indexOf('', 2) == 2",
        "'hello mellow'.indexOf('ello', 2) == 7 && 'hello mellow'.indexOf('ello', 20) == -1",
        "'hello mellow'.lastIndexOf('') == 12 && 'hello mellow'.lastIndexOf('ello') == 7",
        "'hello mellow'.lastIndexOf('ello', 6) == 1 && 'hello mellow'.lastIndexOf('ello', 20) == -1",
        "['hello', 'mellow'].join() == 'hellomellow' && ['a', 'b'].join(' ') == 'a b' && [].join('/') == ''",
        "'TacoCÆt'.lowerAscii() == 'tacocÆt' && 'TacoCÆt Xii'.upperAscii() == 'TACOCÆT XII'",
        "'hello hello'.replace('he', 'we') == 'wello wello'",
        "'hello hello'.replace('he', 'we', 1) == 'wello hello' && 'hello'.replace('he', 'we', 0) == 'hello'",
        "'hello'.replace('', '_') == '_h_e_l_l_o_' && 'hello hello'.replace('h', '', -1) == 'ello ello'",
        "'a b c'.split(' ') == ['a', 'b', 'c'] && 'a b c'.split(' ', 0) == []",
        "'a b c'.split(' ', 1) == ['a b c'] && 'a b c'.split(' ', 2) == ['a', 'b c']",
        "'a b c'.split(' ', -1) == ['a', 'b', 'c'] && 'abc'.split('') == ['a', 'b', 'c']",
        "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco' && 'ta©o'.substring(2, 3) == '©'",
        "'  \\ttrim\\n    '.trim() == 'trim'",
        "strings.quote('two escape sequences \\a\\n') == '\"two escape sequences \\\\a\\\\n\"'",
        "'abc'.matches('^[a-c]+$') && matches('abc', 'b')",
        "'abc 123'.find('[0-9]+') == '123' && 'abc 123'.find('xyz') == ''",
        "'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && '1 2'.findAll('[0-9]', 1) == ['1']",
        "jsonpatch.escapeKey('k8s.io/my~label') == 'k8s.io~1my~0label'",
    ]);
    all_fail(&[
        ("'hello'.charAt(-1) == ''", "index out of range: -1"),
        ("'hello'.charAt(6) == ''", "index out of range: 6"),
        ("'hello'.indexOf('e', -1) == 1", "index out of range: -1"),
        ("'tacocat'.substring(2, 1) == ''", "invalid substring range. start: 2, end: 1"),
        ("'tacocat'.substring(9) == ''", "index out of range: 9"),
        ("'a'.find(text + '(') == ''", "Illegal regex"),
    ]);
}

#[test]
fn format() {
    all_true(&[
        "'%s and %d'.format(['str', 42]) == 'str and 42'",
        "'%%s: %s'.format([64.2]) == '%s: 64.2'",
        "'%s'.format([type(string)]) == 'type'",
        "'%s'.format([timestamp('2023-02-03T23:31:20Z')]) == '2023-02-03T23:31:20Z'",
        "'%s'.format([duration('1h45m47s')]) == '6347s'",
        "'%f'.format([3.14]) == '3.140000' && '%.2f'.format([3.14159]) == '3.14'",
        "'%b'.format([5]) == '101' && '%b'.format([true]) == '1' && '%x'.format([26]) == '1a'",
        "'%X'.format([26]) == '1A' && '%o'.format([30]) == '36' && '%x'.format(['hi']) == '6869'",
        "'%s'.format([[1, 2, {'a': 'x'}]]) == '[1, 2, {\"a\":\"x\"}]'",
        "'%s %s'.format([null, true]) == 'null true'",
        "'%e'.format([2.71828]) == '2.718280×10⁰⁰'",
    ]);
    all_fail(&[
        ("'%d'.format(['a']) == ''", "decimal clause can not be used on string"),
        ("'%d %d'.format([1]) == ''", "index 1 out of range"),
        ("'%z'.format([1]) == ''", "unrecognized formatting clause \"z\""),
        ("'%'.format([1]) == ''", "unexpected end of string"),
    ]);
}

#[test]
fn lists() {
    all_true(&[
        "[1, 2, 3].isSorted() && ['a', 'b', 'b', 'c'].isSorted() && ![2.0, 1.0].isSorted() && [1].isSorted()",
        "[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [duration('1m'), duration('1s')].sum() == duration('61s')",
        "[1, 3].min() == 1 && [1, 3].max() == 3 && ['b', 'a'].min() == 'a'",
        "[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b', 'c'].lastIndexOf('b') == 2 && [1.0].indexOf(1.1) == -1",
        "[1, 2, 3].includes(2) && ![1, 2, 3].includes(4) && 'model-a'.includes('model-a')",
        "[1, 2, 3, 4].slice(1, 3) == [2, 3]",
        "[[1], [2, 3]].flatten() == [1, 2, 3] && [[[1]]].flatten(1) == [[1]] && [[[1]]].flatten(2) == [1]",
        "[1, 2, 2, 1].distinct() == [1, 2] && [1, 2].reverse() == [2, 1] && [3, 1, 2].sort() == [1, 2, 3]",
        "[{'n': 2}, {'n': 1}].sortBy(e, e.n) == [{'n': 1}, {'n': 2}]",
        "lists.range(3) == [0, 1, 2] && [1, 2].first().value() == 1 && [1, 2].last().value() == 2",
        "sets.contains([1, 2, 3], [1]) && !sets.contains([1], [2]) && sets.contains([], [])",
        "sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1, 2], [2]) && !sets.intersects([1], [2])",
    ]);
    all_fail(&[
        ("self.empty.min() == 1", "min called on empty list"),
        ("[1].slice(0, 3) == [1]", "cannot slice(0, 3), list is length 1"),
        ("[1].slice(1, 0) == [1]", "start index must be less than or equal to end index"),
        ("lists.range(-1) == []", "size must be non-negative"),
        ("self.items.map(x, dyn(self)).sort() == []", "list elements must be comparable"),
    ]);
}

#[test]
fn urls() {
    all_true(&[
        "isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('/absolute-path')",
        "!isURL('https://a:b:c/') && !isURL('../relative-path') && !isURL('')",
        "url('/path').getScheme() == '' && url('https://example.com/').getScheme() == 'https'",
        "url('https://example.com:80/').getHost() == 'example.com:80' && url('https://[::1]/').getHost() == '[::1]'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('https://example.com:80/').getHostname() == 'example.com'",
        "url('https://example.com:80/').getPort() == '80' && url('/path').getPort() == ''",
        "url('https://example.com/path').getEscapedPath() == '/path' && url('https://example.com').getEscapedPath() == ''",
        "url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
        "url('https://e.com/p?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
        "url('https://e.com/p?key with spaces=value with spaces').getQuery() == {'key with spaces': ['value with spaces']}",
        "url('https://e.com/p?').getQuery() == {}",
        "url('https://e.com/') == url('https://e.com/')",
    ]);
    all_fail(&[(
        "url('../x').getHost() == ''",
        "URL parse error during conversion from string: parse \"../x\": invalid URI for request",
    )]);
}

#[test]
fn quantities() {
    all_true(&[
        "isQuantity('1.3G') && isQuantity('1.3Gi') && !isQuantity('1,3G') && isQuantity('10000k') && !isQuantity('Three')",
        "quantity('500000G').isInteger() && quantity('500000G').asInteger() == 500000000000000",
        "!quantity('500m').isInteger() && quantity('50k').asApproximateFloat() == 50000.0",
        "sign(quantity('-5')) == -1 && sign(quantity('0')) == 0",
        "quantity('200M').isGreaterThan(quantity('0.2G')) == false && quantity('150Mi').isLessThan(quantity('1Gi'))",
        "quantity('50k').compareTo(quantity('100')) == 1 && quantity('200M') == quantity('0.2G')",
        "quantity('50k').add(quantity('20')) == quantity('50020') && quantity('50k').sub(20) == quantity('49980')",
        "quantity('50k').add(20) == quantity('50020') && quantity('50k').sub(quantity('20')).isLessThan(quantity('50k'))",
    ]);
    all_fail(&[
        ("quantity('x').isInteger()", "quantities must match the regular expression"),
        ("quantity('500m').asInteger() == 0", "cannot convert value to integer"),
    ]);
}

#[test]
fn networks() {
    all_true(&[
        "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
        "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6",
        "ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
        "ip('0.0.0.0').isUnspecified() && ip('::1').isLoopback() && ip('127.0.0.1').isLoopback()",
        "ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
        "ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast()",
        "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && ip('2001:db8::abcd').isGlobalUnicast()",
        "isCIDR('192.168.0.0/16') && isCIDR('::1/128') && !isCIDR('192.168.0.0/33') && !isCIDR('192.168.0.1')",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1') && !cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))",
        "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/16'))",
        "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24') && cidr('192.168.0.1/24').prefixLength() == 24",
        "cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
        "string(ip('2001:DB8::ABCD')) == '2001:db8::abcd' && cidr('0.0.0.0/0').containsIP('1.2.3.4') && cidr('::/0').containsIP('::1')",
    ]);
    all_fail(&[
        ("ip('127.0.0.256').family() == 4", "parse error during conversion from string"),
        ("cidr('x/8').prefixLength() == 8", "network address parse error during conversion from string"),
    ]);
}

#[test]
fn formats() {
    all_true(&[
        "!format.dns1123Label().validate('my-label').hasValue()",
        "format.dns1123Label().validate('My_label').value()[0].contains('lowercase RFC 1123 label')",
        "!format.dns1123LabelPrefix().validate('my-label-').hasValue() && format.dns1123Label().validate('my-label-').hasValue()",
        "!format.dns1123Subdomain().validate('a.b').hasValue() && !format.dns1035Label().validate('a1').hasValue()",
        "!format.qualifiedName().validate('a.io/b').hasValue() && !format.labelValue().validate('').hasValue()",
        "!format.uri().validate('http://example.com').hasValue() && format.uri().validate('x').hasValue()",
        "!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
        "format.uuid().validate('x').value() == ['does not match the UUID format']",
        "!format.byte().validate('aGVsbG8=').hasValue() && format.date().validate('x').value() == ['invalid date']",
        "!format.date().validate('2021-01-01').hasValue() && !format.datetime().validate('2021-01-01T00:00:00Z').hasValue()",
        "format.named('dns1123Label').hasValue() && !format.named('unknown').hasValue()",
    ]);
}

#[test]
fn versions() {
    all_true(&[
        "isSemver('1.0.0') && !isSemver('v1.0') && isSemver('v1.0', true) && !isSemver('200K') && isSemver('1.2.3-beta.1+x')",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
        "semver('1.2.3').compareTo(semver('1.2.3')) == 0 && semver('1.2.3').compareTo(semver('2.0.0')) == -1",
        "semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && semver('1.0.0-alpha.1').isGreaterThan(semver('1.0.0-alpha'))",
        "semver('1.0.0-2').isLessThan(semver('1.0.0-10')) && semver('1.0.0-10').isLessThan(semver('1.0.0-a'))",
        "semver('v01.01', true) == semver('1.1.0')",
    ]);
    all_fail(&[("semver('Three').major() == 1", "No Major.Minor.Patch elements found")]);
}

#[test]
fn authorization() {
    all_true(&[
        "authorizer.group('').resource('pods').namespace('default').check('get').allowed()",
        "!authorizer.group('').resource('pods').subresource('log').name('x').check('delete').allowed()",
        "authorizer.group('').resource('pods').check('get').reason() == 'because'",
        "!authorizer.group('').resource('pods').check('get').errored() && authorizer.path('/healthz').check('get').error() == ''",
        "authorizer.path('/healthz').check('get').allowed() && !authorizer.path('/metrics').check('get').allowed()",
        "authorizer.serviceAccount('ci', 'bot').group('apps').resource('deployments').check('delete').allowed()",
        "authorizer.group('').resource('pods').fieldSelector('spec.nodeName=x').labelSelector('a=b').check('get').allowed()",
    ]);
    all_fail(&[
        ("authorizer.path(' ').check('get').allowed()", "path must not be empty"),
        ("authorizer.group('').resource('').check('get').allowed()", "resource must not be empty"),
        (
            "authorizer.serviceAccount('A', 'b').path('/').check('get').allowed()",
            "Invalid service account namespace",
        ),
    ]);
    let thrice = "[1, 2, 3].all(x, authorizer.path('/healthz').check('get').allowed())";
    assert_eq!(evaluate(thrice).unwrap_err(), "operation cancelled: actual cost limit exceeded");
}
