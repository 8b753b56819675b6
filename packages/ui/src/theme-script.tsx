export const THEME_KEY = 'thatdam.theme'

/**
 * Runs in the page's head before anything is drawn, so that a page never flashes in the other look. Without a wish of this browser the look
 * is what `<html data-theme>` says, dark when it says nothing.
 */
export const THEME_SCRIPT = `try{var t=localStorage.getItem('${THEME_KEY}');if(t==='dark'||t==='light'||t==='system')document.documentElement.dataset.theme=t}catch(e){}`
