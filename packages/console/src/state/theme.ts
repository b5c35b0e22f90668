/** Light or dark: what the system says, unless a person chose. The page's root says it as `data-theme`, from which the style sheets go. */
import { computed, effect, signal } from '@preact/signals'

export type Theme = 'light' | 'dark'
export type ThemeChoice = Theme | 'system'

const KEY = 'godwit.theme'
const dark = matchMedia('(prefers-color-scheme: dark)')
const isSystemDark = signal(dark.matches)
dark.addEventListener('change', () => {
  isSystemDark.value = dark.matches
})

export const themeChoice = signal<ThemeChoice>(stored())
/** What is drawn on a canvas is drawn again when this changes. */
export const theme = computed<Theme>(() => {
  const choice = themeChoice.value
  return choice === 'system' ? (isSystemDark.value ? 'dark' : 'light') : choice
})

export function chooseTheme(choice: ThemeChoice): void {
  themeChoice.value = choice
  try {
    localStorage.setItem(KEY, choice)
  } catch {
    // Then it lasts until the page is loaded again.
  }
}

effect(() => {
  document.documentElement.dataset.theme = theme.value
})

function stored(): ThemeChoice {
  try {
    const text = localStorage.getItem(KEY)
    return text === 'light' || text === 'dark' ? text : 'system'
  } catch {
    return 'system'
  }
}
