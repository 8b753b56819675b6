export const THEME_KEY = 'thatdam.theme'

/** Runs in the page's head before anything is drawn, so that a light page never flashes dark. */
export const THEME_SCRIPT = `try{var t=localStorage.getItem('${THEME_KEY}');if(t==='light'||t==='system')document.documentElement.dataset.theme=t}catch(e){}`
