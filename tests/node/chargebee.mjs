// The official SDK of Chargebee against the served emulator: node chargebee.mjs URL KEY
import Chargebee, { basicAuthValidator } from 'chargebee';
import { control, deliveries, key, note, origin, refused, run } from './common.mjs';

// the SDK joins site and suffix to a host name: here both are the emulator's own
const chargebee = new Chargebee({
  site: origin.hostname,
  hostSuffix: '',
  port: Number(origin.port),
  protocol: 'http',
  apiKey: key,
});

function params(reference) {
  return {
    customer_id: 'cus_42',
    currency_code: 'EUR',
    auto_collection: 'off',
    po_number: reference,
    charges: [{ amount: 1999, description: 'Reservation fees' }],
  };
}

async function open(reference, headers) {
  return (await chargebee.invoice.createForChargeItemsAndCharges(params(reference), headers)).invoice;
}

await run(async () => {
  const { customer } = await chargebee.customer.create({ first_name: 'New', email: 'new@example.test' });
  note('customer', (await chargebee.customer.retrieve(customer.id)).customer.email);

  const made = await open('res-1');
  note('made', [made.status, made.total, made.line_items[0].description]);
  const marked = await chargebee.invoice.recordPayment(made.id, {
    transaction: { amount: 1999, payment_method: 'bank_transfer' },
  });
  note('marked', [marked.invoice.status, marked.transaction.payment_method]);
  const second = await open('res-2');
  note('voided', (await chargebee.invoice.voidInvoice(second.id, {})).invoice.status);
  const third = await open('res-3');
  note('written_off', (await chargebee.invoice.writeOff(third.id, {})).invoice.write_off_amount);
  const fourth = await open('res-4');
  const collected = await chargebee.invoice.collectPayment(fourth.id, { payment_source_id: 'pm_42' });
  note('collected', collected.invoice.status);

  const all = [];
  let offset;
  do {
    const page = await chargebee.invoice.list({ limit: 2, ...(offset && { offset }) });
    all.push(...page.list.map((row) => row.invoice.status));
    offset = page.next_offset;
  } while (offset);
  note('listed', all);
  const filtered = await chargebee.invoice.list({ status: { in: ['paid'] }, customer_id: { is: 'cus_42' } });
  note('filtered', filtered.list.length);

  const idempotent = { 'chargebee-idempotency-key': 'key-1' };
  const first = await chargebee.invoice.createForChargeItemsAndCharges(params('res-5'), idempotent);
  const again = await chargebee.invoice.createForChargeItemsAndCharges(params('res-5'), idempotent);
  note('replayed', [first.invoice.id === again.invoice.id, again.isIdempotencyReplayed, first.isIdempotencyReplayed]);
  const mismatch = await refused(() => chargebee.invoice.createForChargeItemsAndCharges(params('res-6'), idempotent));
  note('mismatch', [mismatch.http_status_code, mismatch.api_error_code]);
  note('missing', (await refused(() => chargebee.invoice.retrieve('nope'))).api_error_code);
  const late = await refused(() => chargebee.invoice.voidInvoice(made.id, {}));
  note('late_void', late.api_error_code);
  const wrong = new Chargebee({ site: origin.hostname, hostSuffix: '', port: Number(origin.port), protocol: 'http', apiKey: 'another_one' });
  note('wrong_key', (await refused(() => wrong.invoice.list())).http_status_code);

  // cards of Chargebee's test gateway: charged or declined
  const card = (number) => ({
    customer_id: customer.id,
    card: { number, expiry_month: 12, expiry_year: 2030, cvv: '100' },
  });
  const good = (await chargebee.paymentSource.createCard(card('4111111111111111'))).payment_source;
  note('source', [good.type, good.status, good.card.last4]);
  const unstored = await refused(() => chargebee.paymentSource.createCard(card('4119862760338320')));
  note('not_stored', [unstored.http_status_code, unstored.type]);
  const bad = (await chargebee.paymentSource.createCard(card('4005519200000004'))).payment_source;
  const owed = (await chargebee.invoice.createForChargeItemsAndCharges({ ...params('res-7'), customer_id: customer.id })).invoice;
  const declined = await refused(() => chargebee.invoice.collectPayment(owed.id, { payment_source_id: bad.id }));
  note('declined', [declined.http_status_code, declined.type, declined.api_error_code]);
  note('collected_later', (await chargebee.invoice.collectPayment(owed.id, { payment_source_id: good.id })).invoice.status);

  const received = await deliveries(2, async () => {
    const invoice = await open('res-8');
    await chargebee.invoice.recordPayment(invoice.id, { transaction: { amount: 1999, payment_method: 'cash' } });
  });
  const [user, password] = (await control('GET', 'webhooks')).test_secret.split(':');
  const check = basicAuthValidator((given, word) => given === user && word === password);
  const seen = [];
  for (const { headers, body } of received) {
    await check(headers);
    const event = JSON.parse(body);
    seen.push([event.event_type, event.content.invoice.status]);
  }
  note('webhooks', seen);
  const first_event = JSON.parse(received[0].body).id;
  note('confirmed', (await chargebee.event.retrieve(first_event)).event.event_type);
  const forged = await refused(async () => check({ ...received[0].headers, authorization: 'Basic bm9ib2R5Omg=' }));
  note('forged', forged.name);
  note('harm', (await control('GET', 'ledger')).harm);
});
