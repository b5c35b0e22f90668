/** Where one is in the console, as an address that can be shared, and back. */

export type Place =
  | { readonly page: 'cluster' }
  | { readonly page: 'host'; readonly host: string }
  | { readonly page: 'job'; readonly job: string }
  | { readonly page: 'move'; readonly job: string; readonly move: string }
  | { readonly page: 'tasks' }
  | { readonly page: 'missing'; readonly path: string }

export function placeAt(path: string): Place {
  const [first, second, third, fourth, ...more] = path.split('/').slice(1).map(decoded)
  if (more.length > 0) return { page: 'missing', path }
  if (second === undefined || (second === '' && third === undefined)) {
    if (first === '') return { page: 'cluster' }
    if (first === 'tasks') return { page: 'tasks' }
    return { page: 'missing', path }
  }
  if (third === undefined && first === 'hosts') return { page: 'host', host: second }
  if (third === undefined && first === 'jobs') return { page: 'job', job: second }
  const isMove = first === 'jobs' && third === 'moves' && fourth !== undefined && fourth !== ''
  return isMove ? { page: 'move', job: second, move: fourth } : { page: 'missing', path }
}

export function pathOf(place: Place): string {
  switch (place.page) {
    case 'cluster':
      return '/'
    case 'tasks':
      return '/tasks'
    case 'host':
      return `/hosts/${encodeURIComponent(place.host)}`
    case 'job':
      return `/jobs/${encodeURIComponent(place.job)}`
    case 'move':
      return `/jobs/${encodeURIComponent(place.job)}/moves/${encodeURIComponent(place.move)}`
    case 'missing':
      return place.path
  }
}

export function titleOf(place: Place): string {
  switch (place.page) {
    case 'cluster':
      return 'Cluster · Godwit'
    case 'tasks':
      return 'Tasks and events · Godwit'
    case 'host':
      return `${place.host} · Host · Godwit`
    case 'job':
      return `${place.job} · Job · Godwit`
    case 'move':
      return `${place.move} · Move of ${place.job} · Godwit`
    case 'missing':
      return 'Nothing here · Godwit'
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
