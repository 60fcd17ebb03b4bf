#!/usr/bin/python
# Licensed under either of MIT or Apache-2.0, at your option.
"""Registers instances of DNS-SD services with a srvctl daemon."""

DOCUMENTATION = r'''
---
module: srvctl_service
short_description: Register an instance of a DNS-SD service with srvctl
description:
  - Registers one host and port of a service with a running C(srvctl daemon), which publishes it as an SRV record, or
    takes the registration back.
  - Each instance is registered by itself. Any number of hosts may do so at the same time, and none touches the record
    of another, unlike C(community.general.nsupdate), which replaces the whole record set.
  - Talks HTTP to the daemon's unix socket, on the DNS host itself or by C(delegate_to), or HTTPS to I(server).
  - What is not given is set to its default. An instance is as the task says, whatever it was before.
requirements:
  - Python 3.6 on the host where the module runs; nothing besides its standard library.
options:
  service:
    description:
      - The service, as C(jenkins), C(_jenkins._tcp) or C(_jenkins._tcp.internal.local.).
      - The shorter forms mean C(_tcp) and the only zone of the daemon.
    type: str
    required: true
  host:
    description:
      - The SRV target. Relative to the zone, or absolute with a dot at the end.
      - Required for I(state=present), and for I(state=absent) without I(id).
    type: str
  port:
    description:
      - The port that the service listens on.
      - Required wherever I(host) is.
    type: int
  id:
    description:
      - What tells this instance from the others of its service, when host and port may change.
      - By default host and port do, so that another port is another instance.
    type: str
  priority:
    description: SRV priority.
    type: int
    default: 0
  weight:
    description: SRV weight.
    type: int
    default: 0
  addresses:
    description:
      - IPv4 and IPv6 addresses to publish for the host.
      - None when somebody else publishes them.
    type: list
    elements: str
    default: []
  metadata:
    description:
      - What is known of the instance.
      - What all instances of a service agree on is published as the TXT record of the service.
    type: dict
    default: {}
  lease:
    description:
      - How long the registration lives without being renewed, as C(10m) or a number of seconds, from 5 seconds to 30
        days. Running the task again renews it, and does not count as a change.
      - Without, the instance stays until somebody removes it.
    type: str
  state:
    description: Whether the instance shall be registered. An instance that is not there is no error for C(absent).
    type: str
    choices: [absent, present]
    default: present
  wait:
    description:
      - How long to wait until every server of the zone's C(verify) list shows the instance, or no longer shows it, as
        C(30s) or a number of seconds up to 300. C(true) is 30 seconds; C(false) and C(0) do not wait.
      - The task fails when the time is up. The registration stays, and what is reported as I(changed) is right.
      - Nothing is waited for in check mode.
    type: raw
    default: 30s
  socket:
    description: The daemon's unix socket, used unless I(server) is given.
    type: path
    default: /run/srvctl/srvctl.sock
  server:
    description: The daemon's address for HTTPS, as C(https://ns1.internal.local:8443).
    type: str
  token:
    description: The bearer token that says who asks.
    type: str
  token_file:
    description: A file with the token, on the host where the module runs.
    type: path
  ca_file:
    description: The certificates to trust, as a PEM file. By default those that the system trusts.
    type: path
  ca_path:
    description: The certificates to trust, as a directory in the form of C(openssl rehash).
    type: path
  client_cert:
    description: A client certificate that says who asks, as a PEM file.
    type: path
  client_key:
    description: The private key of I(client_cert), unless it is in the same file.
    type: path
  validate_certs:
    description: Whether the server has to prove who it is. Without that, anybody on the way can read the token.
    type: bool
    default: true
  timeout:
    description:
      - How long the daemon may take, in seconds, beyond what I(wait) says.
      - Within this time, requests are made again when the daemon is too busy, cannot write, or drops the connection.
    type: int
    default: 30
notes:
  - The user that runs the module has to be root or in the group C(srvctl) to open the socket.
  - When a connection was lost, and the instance turns out to be as it shall be, the task reports a change, since it
    may have been the lost request that made it.
attributes:
  check_mode:
    support: full
    description: Asks the daemon what it would do, with everything that it checks.
  diff_mode:
    support: full
    description: Shows the records of the instance before and after.
author:
  - The srvctl maintainers
'''

EXAMPLES = r'''
- name: Register Jenkins of this host, through the socket on the DNS host
  srvctl_service:
    service: jenkins
    host: "{{ inventory_hostname }}"
    port: 8080
    priority: 10
    weight: 10
    metadata:
      team: devops
  delegate_to: dns1

- name: Register a node exporter with its address, over HTTPS
  srvctl_service:
    service: node-exporter
    host: "{{ inventory_hostname }}"
    port: 9100
    addresses: ["{{ ansible_facts.default_ipv4.address }}"]
    server: https://ns1.internal.local:8443
    token: "{{ srvctl_token }}"
    ca_file: /etc/ssl/srvctl-ca.pem

- name: Let it go unless it is renewed, and do not wait for DNS
  srvctl_service:
    service: build
    host: agent7
    port: 4000
    lease: 10m
    wait: false
  delegate_to: dns1

- name: Take only this host out of the service
  srvctl_service:
    service: jenkins
    host: "{{ inventory_hostname }}"
    port: 8080
    state: absent
  delegate_to: dns1
'''

RETURN = r'''
service:
  description: The owner name of the service.
  returned: when the daemon answered
  type: str
  sample: _jenkins._tcp.internal.local.
id:
  description: What tells the instance from the others of its service.
  returned: when the daemon answered
  type: str
  sample: centos9-vm.internal.local:8080
before:
  description: What was registered before; none when nothing was.
  returned: when the daemon answered
  type: dict
  sample: null
after:
  description: What is registered now, or would be in check mode; none when nothing is.
  returned: when the daemon answered
  type: dict
  sample:
    host: centos9-vm.internal.local.
    port: 8080
    priority: 10
    weight: 10
    addresses: []
    metadata: {team: devops}
    lease: null
revision:
  description: Grows with each change; none when nothing is registered.
  returned: when the daemon answered
  type: int
  sample: 7
verified:
  description: Whether every server shows it; none when it was not waited for.
  returned: when the daemon answered
  type: bool
  sample: true
proofs:
  description: What each server showed.
  returned: when it was waited for
  type: list
  elements: dict
  sample:
    - server: 127.0.0.1:53
      name: _jenkins._tcp.internal.local.
      type: SRV
      verified: true
      reason: null
'''

import errno
import http.client
import itertools
import json
import random
import re
import socket
import ssl
import time
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = dict(
    service=dict(type='str', required=True),
    host=dict(type='str'),
    port=dict(type='int'),
    id=dict(type='str'),
    priority=dict(type='int', default=0),
    weight=dict(type='int', default=0),
    addresses=dict(type='list', elements='str', default=[]),
    metadata=dict(type='dict', default={}),
    lease=dict(type='str'),
    state=dict(type='str', choices=['absent', 'present'], default='present'),
    wait=dict(type='raw', default='30s'),
    socket=dict(type='path', default='/run/srvctl/srvctl.sock'),
    server=dict(type='str'),
    token=dict(type='str', no_log=True),
    token_file=dict(type='path', no_log=False),
    ca_file=dict(type='path'),
    ca_path=dict(type='path'),
    client_cert=dict(type='path'),
    client_key=dict(type='path', no_log=False),
    validate_certs=dict(type='bool', default=True),
    timeout=dict(type='int', default=30),
)

UNITS = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400}
DEFAULT_WAIT = 30
MAX_WAIT = 300
# The daemon did nothing, and may do it a moment later.
BUSY = (429, 503)
# The daemon went away after it had accepted the connection.
LOST = (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead, http.client.RemoteDisconnected)
WHAT_TO_DO = {
    401: 'give a valid `token` or `token_file`, or a `client_cert` that the daemon knows',
    403: 'the grants of the principal in srvctl.toml on the DNS host say who may do what',
}


class Failure(Exception):
    """What the user is told."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__('srvctl', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def seconds(text, name):
    """What `10m`, `600` or 600 means."""
    match = re.fullmatch(r'(\d+)\s*([smhd]?)', str(text).strip())
    if match is None:
        raise Failure('`%s` is a number of seconds or a duration such as 30s, 10m or 2h, not %r' % (name, text))
    return int(match.group(1)) * UNITS[match.group(2)]


def wait_seconds(wait):
    """How long to wait for DNS; 0 for not at all."""
    word = str(wait).lower()
    if word in ('true', 'yes', 'on'):
        return DEFAULT_WAIT
    if word in ('false', 'no', 'off', 'none', ''):
        return 0
    limit = seconds(wait, 'wait')
    if limit > MAX_WAIT:
        raise Failure('`wait` is at most %d seconds, not %s' % (MAX_WAIT, wait))
    return limit


def token_of(params):
    """The bearer token, checked so that no error of a library below can show it."""
    token = params['token']
    if token is None and params['token_file']:
        try:
            with open(params['token_file'], encoding='ascii') as file:
                token = file.read()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else 'it is not ASCII text'
            raise Failure('`token_file` %s cannot be read: %s' % (params['token_file'], reason))
    if token is None:
        return None
    token = token.strip()
    if not re.fullmatch(r'[!-~]+', token):
        raise Failure('the token is empty, or has spaces or characters that no token has')
    return token


def tls_context(params):
    """Whom to trust, and who we are."""
    try:
        context = ssl.create_default_context(cafile=params['ca_file'], capath=params['ca_path'])
        if params['client_cert']:
            context.load_cert_chain(params['client_cert'], params['client_key'])
    except (OSError, ValueError) as error:
        raise Failure('`ca_file`, `ca_path`, `client_cert` or `client_key` cannot be used: %s' % error)
    if not params['validate_certs']:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Daemon:
    """The daemon, and how to reach it."""

    def __init__(self, params):
        self.place = params['server'] or params['socket']
        self.timeout = params['timeout']
        self.headers = {'Accept': 'application/json', 'Content-Type': 'application/json'}
        token = token_of(params)
        if token:
            self.headers['Authorization'] = 'Bearer ' + token
        self.address = None
        if params['server']:
            self.address = self.parse(params['server'])
            self.context = tls_context(params)

    @staticmethod
    def parse(server):
        """Host and port of an `https://` URL."""
        try:
            url = urlsplit(server)
            port = url.port or 443
        except ValueError:
            raise Failure('`server` %s is no URL; write https://HOST:PORT' % server)
        if url.scheme != 'https' or not url.hostname or url.path not in ('', '/') or url.query or url.username:
            raise Failure('`server` is https://HOST:PORT and nothing more, not %s' % server)
        return url.hostname, port

    def connection(self, limit):
        if self.address is None:
            return UnixConnection(self.place, limit)
        return http.client.HTTPSConnection(*self.address, timeout=limit, context=self.context)

    def ask(self, method, path, body, wait):
        """What the daemon answers at last, and whether an answer was lost before."""
        deadline = time.monotonic() + self.timeout
        lost = False
        for attempt in itertools.count():
            left = max(deadline - time.monotonic(), 1)
            try:
                status, answer, retry_after = self.ask_once(method, path, body, left + wait)
            except LOST as error:
                lost, status, retry_after = True, 503, None
                detail = 'the daemon at %s drops the connection: %s' % (self.place, error or type(error).__name__)
                answer = {'detail': detail, 'help': 'its log says why'}
            pause = pause_of(retry_after, attempt)
            if status not in BUSY or time.monotonic() + pause >= deadline:
                return status, answer, lost
            time.sleep(pause)

    def ask_once(self, method, path, body, limit):
        connection = self.connection(limit)
        try:
            self.connect(connection)
            connection.request(method, path, body=json.dumps(body) if body else None, headers=self.headers)
            response = connection.getresponse()
            return response.status, decoded(response), response.getheader('Retry-After')
        except socket.timeout:
            raise Failure('the daemon at %s did not answer within %d s' % (self.place, limit))
        finally:
            connection.close()

    def connect(self, connection):
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            advice = '`ca_file` names the certificates to trust'
            raise Failure('the certificate of %s is not valid: %s; %s' % (self.place, error.verify_message, advice))
        except ssl.SSLError as error:
            raise Failure('no TLS connection to %s: %s' % (self.place, error.reason or error))
        except OSError as error:
            raise Failure(self.unreachable(error))

    def unreachable(self, error):
        reason = error.strerror or error
        if self.address is not None:
            advice = '`server` has to be what `listen` in srvctl.toml says, and no firewall may be in between'
        elif error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            advice = 'run this on the DNS host (`delegate_to`), and start the daemon there (`systemctl start srvctl`)'
        elif error.errno == errno.EACCES:
            advice = 'become root, or a user in the group srvctl'
        else:
            advice = '`socket` has to be what srvctl.toml says'
        return 'no srvctl daemon can be asked at %s: %s; %s' % (self.place, reason, advice)


def pause_of(retry_after, attempt):
    """How long to leave the daemon alone; differently long for each of many who were sent away together."""
    asked = int(retry_after) if (retry_after or '').isdigit() else 0
    return max(asked, min(0.1 * 2 ** min(attempt, 6), 5)) * random.uniform(1, 1.25)


def decoded(response):
    """The JSON object that came; or what came instead, as a problem."""
    text = response.read().decode('utf-8', 'replace')
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {'detail': text.strip()[:200] or response.reason}


def problem(status, answer):
    """An error of the daemon (RFC 9457) in one line."""
    detail = answer.get('detail') or answer.get('title') or 'no reason was given'
    advice = answer.get('help') or WHAT_TO_DO.get(status)
    return '%s; %s' % (detail, advice) if advice else detail


def required(params):
    """Fails when it is not clear which instance is meant."""
    names = ['host', 'port'] if params['state'] == 'present' or not params['id'] else []
    missing = [name for name in names if params[name] is None]
    if missing:
        or_id = '' if params['state'] == 'present' else ', or `id` instead'
        raise Failure('state %s needs %s%s' % (params['state'], ' and '.join('`%s`' % one for one in missing), or_id))


def request_of(params):
    """Method, path and body."""
    path = '/v1/services/%s/instances' % quote(params['service'], safe='')
    if params['state'] == 'absent':
        instance = params['id'] or '%s:%d' % (params['host'], params['port'])
        return 'DELETE', '%s/%s' % (path, quote(instance, safe='')), None
    body = {name: params[name] for name in ('host', 'port', 'priority', 'weight', 'addresses')}
    body['metadata'] = {key: text_of(value) for key, value in params['metadata'].items()}
    if params['lease']:
        body['lease'] = seconds(params['lease'], 'lease')
    if params['id']:
        return 'PUT', '%s/%s' % (path, quote(params['id'], safe='')), body
    return 'POST', path, body


def text_of(value):
    """A value of `metadata` as somebody wrote it in YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def records(service, instance, offer):
    """An instance as lines of a zone file."""
    if offer is None:
        return ''
    lines = ['%s SRV %d %d %d %s' % (service, offer['priority'], offer['weight'], offer['port'], offer['host'])]
    for address in offer['addresses']:
        lines.append('%s %s %s' % (offer['host'], 'AAAA' if ':' in address else 'A', address))
    lines.append('; id %s' % instance)
    lines.extend('; metadata %s=%s' % pair for pair in sorted(offer['metadata'].items()))
    if offer['lease'] is not None:
        lines.append('; lease %d s' % offer['lease'])
    return '\n'.join(lines) + '\n'


def diff_of(answer):
    service, instance = answer['service'], answer['id']
    sides = {side: records(service, instance, answer[side]) for side in ('before', 'after')}
    header = '%s of %s' % (instance, service)
    return dict(sides, before_header=header, after_header=header)


def unverified(state, verified):
    """What each server shows instead."""
    waited = verified['milliseconds'] / 1000.0
    shown = [
        '%s %s via %s: %s' % (proof['name'], proof['type'], proof['server'] or 'resolv.conf', proof['reason'])
        for proof in verified['proofs'] if not proof['verified']
    ]
    done = 'registered, but not seen' if state == 'present' else 'deregistered, but still seen'
    return '%s in DNS after %.1f s: %s' % (done, waited, '; '.join(shown + verified['obstacles']))


def result_of(answer, lost):
    """What the task returns."""
    result = {name: answer[name] for name in ('service', 'id', 'before', 'after', 'revision')}
    result['changed'] = answer['changed'] or lost
    result['diff'] = diff_of(answer)
    verified = answer.get('verified')
    result['verified'] = verified and verified['ok']
    if verified:
        result['proofs'] = verified['proofs']
    return result


def run(module):
    params = module.params
    required(params)
    wait = 0 if module.check_mode else wait_seconds(params['wait'])
    method, path, body = request_of(params)
    query = {'dry_run': 'true'} if module.check_mode else {'wait': wait} if wait else {}
    if query:
        path = '%s?%s' % (path, urlencode(query))
    status, answer, lost = Daemon(params).ask(method, path, body, wait)
    if status != 200:
        raise Failure(problem(status, answer))
    result = result_of(answer, lost and not module.check_mode)
    if result['verified'] is False:
        module.fail_json(msg=unverified(params['state'], answer['verified']), **result)
    module.exit_json(**result)


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[('token', 'token_file')],
        required_by={'client_key': 'client_cert'},
        supports_check_mode=True,
    )
    try:
        run(module)
    except Failure as failure:
        module.fail_json(msg=str(failure))


if __name__ == '__main__':
    main()
